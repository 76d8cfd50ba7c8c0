-- excluded: read, and out of the scope of the mapping. They count as read, and are kept as last read.
ALTER TABLE staged_user DROP CONSTRAINT staged_user_absence_check;
ALTER TABLE staged_user ADD CONSTRAINT staged_user_absence_check CHECK (absence IN ('gone', 'out-of-scope', 'excluded'));
