-- Edit distances, for words of questions that were mistyped.
CREATE EXTENSION IF NOT EXISTS fuzzystrmatch;
