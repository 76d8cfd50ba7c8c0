-- The change that this one takes back; null: none. A run that finds no difference for its user leaves it.
ALTER TABLE change
  ADD COLUMN undoes uuid,
  DROP CONSTRAINT change_kind_check,
  ADD CONSTRAINT change_kind_check
    CHECK (kind IN ('create', 'link', 'reactivate', 'update', 'unlink', 'suspend', 'delete', 'conflict'));
CREATE INDEX change_undoing ON change (undoes) WHERE undoes IS NOT NULL;
