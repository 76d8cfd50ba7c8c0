-- What waits and what is paused is looked at every minute, and with every approval.
DROP INDEX apply_waiting;
CREATE INDEX apply_to_look_at ON apply (connection_id) WHERE state IN ('waiting', 'paused');
