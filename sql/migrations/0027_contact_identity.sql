-- Addresses and numbers are written in one form (app/contacts/identity.py); what was written before gets it here.
UPDATE cw_contacts SET
    email = nullif(lower(regexp_replace(normalize(email, NFKC), '^\s+|\s+$', '', 'g')), ''),
    phone_number = nullif(regexp_replace(normalize(phone_number, NFKC), '^\s+|\s+$', '', 'g'), '')
WHERE (email, phone_number) IS DISTINCT FROM (
    nullif(lower(regexp_replace(normalize(email, NFKC), '^\s+|\s+$', '', 'g')), ''),
    nullif(regexp_replace(normalize(phone_number, NFKC), '^\s+|\s+$', '', 'g'), ''));
UPDATE cw_agents SET email = nullif(lower(regexp_replace(normalize(email, NFKC), '^\s+|\s+$', '', 'g')), '')
WHERE email IS DISTINCT FROM nullif(lower(regexp_replace(normalize(email, NFKC), '^\s+|\s+$', '', 'g')), '');

-- What two spellings of a number have in common: its digits, and 8 999 … at home is +7 999 … everywhere.
ALTER TABLE cw_contacts ADD COLUMN phone_key text GENERATED ALWAYS AS (
    CASE WHEN regexp_replace(phone_number, '[^0-9+]', '', 'g') ~ '^8[0-9]{10}$'
         THEN '7' || substr(regexp_replace(phone_number, '[^0-9]', '', 'g'), 2)
         ELSE nullif(regexp_replace(phone_number, '[^0-9]', '', 'g'), '') END) STORED;
