-- What waits past its deadline, which people are told of: found without looking at all that waits.
CREATE INDEX change_overdue ON change (connection_id) WHERE overdue_at IS NOT NULL AND state IN ('open', 'held');
