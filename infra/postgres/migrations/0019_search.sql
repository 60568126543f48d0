-- The words by which an unmanaged conversation is found, written with the row (domain/search.py). Rows that are there
-- already get them in a plainer way, until they change: without accents, by the last digits of the phone.

alter table conversations add column search text;
comment on column conversations.search is 'folded words, separated by blanks; null: not unmanaged';

update conversations set search = nullif(trim(regexp_replace(
    regexp_replace(lower(normalize(
      replace(concat_ws(' ', customer_name, last_text), 'ß', 'ss'), NFKD)), '[\u0300-\u036f]', '', 'g')
    || ' ' || coalesce((select string_agg(right(wa_id, n), ' ') from generate_series(4, length(wa_id)) as n), '')
    || ' ' || coalesce(lower(user_id), '') || ' ' || replace(id::text, '-', ''), '[^[:alnum:]]+', ' ', 'g')), '')
  where unmanaged;

drop index conversations_words;
create index conversations_words on conversations using gin (array_to_tsvector(string_to_array(search, ' ')))
  where unmanaged and status = 'c';
