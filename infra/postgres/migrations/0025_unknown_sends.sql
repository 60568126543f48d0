-- What is known of sends whose answer was lost, and what a lost answer would have said.

alter table sends add column user_id text;    -- the customer's business-scoped id in Meta's answer
alter table lanes add column heard_at timestamptz; -- when a webhook of the number last arrived
create index sends_without_wamid on sends (phone_number_id, claimed_at) where state in ('sending', 'unknown');
