-- What customers write when they mean a skillset: the transfer dialog suggests it.
alter table skillsets add column words text[] not null default '{}';
