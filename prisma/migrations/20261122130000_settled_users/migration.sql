-- Who is as they were last read, and whose auth user agrees with that, is only noted as seen: what is wanted of them need not be worked
-- out again. So what followed from the content stays with it.

ALTER TABLE directory_user ADD COLUMN desired_hash bytea;
COMMENT ON COLUMN directory_user.content_hash IS 'SHA-256 of the mapping that was in force and of the content: equal only where the same follows from it';
COMMENT ON COLUMN directory_user.desired_hash IS 'hash of the desired state that followed; null where it was stored before it was kept, and equal to no hash then';

ALTER TABLE staged_user DROP CONSTRAINT staged_user_says_one_thing;
UPDATE staged_user SET desired_hash = NULL WHERE NOT differs;
ALTER TABLE staged_user DROP COLUMN differs;
-- None of the three: seen, and nothing to look at.
ALTER TABLE staged_user ADD CONSTRAINT staged_user_says_one_thing CHECK (num_nonnulls(problem, absence, desired_hash) <= 1);
