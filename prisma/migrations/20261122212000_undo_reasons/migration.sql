-- Why somebody wants a change taken back.
ALTER TABLE change ADD COLUMN undo_reason text;
