-- Applies that people are told of: those that were given up too.
DROP INDEX apply_failed;
CREATE INDEX apply_failed ON apply (tenant_id, finished_at) WHERE (counts ->> 'failed')::int > 0 OR halt ->> 'because' = 'given-up';
