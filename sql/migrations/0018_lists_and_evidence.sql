-- Lists of what was pulled, evidence that can be searched, and what stays erased.

-- Messages are found by their row in the table of words; their own copy of it and its index go.
ALTER TABLE cw_messages DROP COLUMN search_text;

-- One key a list, newest first; what has no time stands at the end. Read backwards it is oldest first.
DROP INDEX cw_messages_newest, cw_contacts_newest;
CREATE INDEX cw_messages_newest ON cw_messages (project_id, coalesce(created_at, '-infinity') DESC, id DESC)
    WHERE deleted_at IS NULL;
CREATE INDEX cw_contacts_newest ON cw_contacts (project_id, coalesce(updated_at, '-infinity') DESC, id DESC)
    WHERE deleted_at IS NULL;
-- Few notes among many messages.
CREATE INDEX cw_messages_private ON cw_messages (project_id, coalesce(created_at, '-infinity') DESC, id DESC)
    WHERE deleted_at IS NULL AND private;

-- A contact is found by a part of name, address or number as written, and by the digits of the number.
ALTER TABLE cw_contacts
    ADD COLUMN search_text text GENERATED ALWAYS AS (translate(lower(normalize(
        coalesce(name, '') || E'\n' || coalesce(email, '') || E'\n' || coalesce(phone_number, ''), NFKC)), 'ё', 'е')) STORED,
    ADD COLUMN phone_digits text GENERATED ALWAYS AS (regexp_replace(phone_number, '[^0-9]', '', 'g')) STORED;
CREATE INDEX cw_contacts_text ON cw_contacts USING gin (project_id, search_text gin_trgm_ops) WHERE deleted_at IS NULL;
CREATE INDEX cw_contacts_phone ON cw_contacts USING gin (project_id, phone_digits gin_trgm_ops) WHERE deleted_at IS NULL;
CREATE INDEX cw_contacts_identifier ON cw_contacts (project_id, identifier) WHERE identifier IS NOT NULL;

-- What decisions were based on. The audit log names its evidence; the words stand here, where they can be
-- searched, and erased.
CREATE TABLE evidence_items (
    project_id uuid NOT NULL REFERENCES projects ON DELETE CASCADE,
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    source_type text NOT NULL CHECK (length(source_type) BETWEEN 1 AND 100),
    source_table text NOT NULL CHECK (length(source_table) <= 100),
    source_pk text NOT NULL CHECK (length(source_pk) BETWEEN 1 AND 500),
    conversation_global_id text,
    message_global_id text,
    contact_global_id text,
    snippet text CHECK (length(snippet) <= 1000),
    payload jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    search_text text NOT NULL GENERATED ALWAYS AS (translate(lower(normalize(coalesce(snippet, '') || E'\n' || source_pk
        || E'\n' || coalesce(conversation_global_id, '') || E'\n' || coalesce(message_global_id, ''), NFKC)), 'ё', 'е')) STORED,
    -- Stems of Russian and (Latin letters) English, and every word as it is.
    words tsvector NOT NULL GENERATED ALWAYS AS (
        to_tsvector('russian'::regconfig, translate(lower(normalize(coalesce(snippet, '') || E'\n' || source_pk
            || E'\n' || coalesce(conversation_global_id, '') || E'\n' || coalesce(message_global_id, ''), NFKC)), 'ё', 'е'))
        || to_tsvector('simple'::regconfig, translate(lower(normalize(coalesce(snippet, ''), NFKC)), 'ё', 'е'))) STORED,
    PRIMARY KEY (project_id, id),
    UNIQUE (project_id, source_table, source_pk)
);
CREATE INDEX evidence_items_newest ON evidence_items (project_id, created_at DESC, id DESC);
CREATE INDEX evidence_items_words ON evidence_items USING gin (project_id, words);
CREATE INDEX evidence_items_text ON evidence_items USING gin (project_id, search_text gin_trgm_ops);
CREATE INDEX evidence_items_conversation ON evidence_items (project_id, conversation_global_id) WHERE conversation_global_id IS NOT NULL;
CREATE INDEX evidence_items_message ON evidence_items (project_id, message_global_id) WHERE message_global_id IS NOT NULL;
CREATE INDEX evidence_items_contact ON evidence_items (project_id, contact_global_id) WHERE contact_global_id IS NOT NULL;

-- Contacts that were erased on request, with their conversations. A sync takes none of them in again.
CREATE TABLE erased_refs (
    project_id uuid NOT NULL REFERENCES projects ON DELETE CASCADE,
    ref text NOT NULL CHECK (length(ref) BETWEEN 1 AND 500),
    erased_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (project_id, ref)
);

-- What the palette looks for besides contacts and messages.
ALTER TABLE crm_accounts ADD COLUMN search_text text GENERATED ALWAYS AS (
    translate(lower(normalize(name || E'\n' || coalesce(domain, ''), NFKC)), 'ё', 'е')) STORED;
ALTER TABLE crm_opportunities ADD COLUMN search_text text GENERATED ALWAYS AS (
    translate(lower(normalize(title || E'\n' || next_step, NFKC)), 'ё', 'е')) STORED;
CREATE INDEX crm_accounts_text ON crm_accounts USING gin (project_id, search_text gin_trgm_ops);
CREATE INDEX crm_opportunities_text ON crm_opportunities USING gin (project_id, search_text gin_trgm_ops);
