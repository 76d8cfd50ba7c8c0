-- Whom the applies of a time have suspended or deleted, without going over all that was ever applied.
CREATE INDEX change_left ON change (connection_id, closed_at) WHERE state = 'applied' AND kind IN ('suspend', 'delete');
