-- A change that puts somebody in a tenant below its connection's was bound to the tenant's name. It keeps the tenants that the plan found on
-- the way: those that are called like them by the time that it is applied may be others. What is missing behind them is made.
ALTER TABLE change ADD COLUMN found_tenants uuid[] NOT NULL DEFAULT '{}';

-- Of those that wait nobody knows any more what they had found: the next run proposes them afresh.
UPDATE change SET state = 'moved', outcome = 'moved', outcome_reason = 'proposed by an earlier version, which kept the name of the tenant alone'
WHERE state IN ('open', 'held', 'approved', 'failed') AND kind <> 'conflict' AND after ? 'tenant'
  AND (auth_user_id IS NULL OR fields @> '[{"field": "tenant"}]');

ALTER TABLE change DROP COLUMN makes_tenants;
