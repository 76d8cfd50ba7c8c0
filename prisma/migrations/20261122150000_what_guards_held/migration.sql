-- The guard's decision that a person's decision set aside, by which the change was held until then. Of an approval: what was let go
-- knowingly, which an apply does not ask for again. Of a refusal or a holding back, carried on: by what it is held again when that ends.
ALTER TABLE decision_change ADD COLUMN overrode uuid;

-- Its time is up, and what it was about waits again: looked at once, not each minute for ever.
ALTER TABLE decision ADD COLUMN until_over boolean NOT NULL DEFAULT false;
DROP INDEX decision_until;
CREATE INDEX decision_until ON decision (until) WHERE until IS NOT NULL AND NOT until_over;
CREATE INDEX change_put_off ON change (decision_id) WHERE state IN ('rejected', 'held');
