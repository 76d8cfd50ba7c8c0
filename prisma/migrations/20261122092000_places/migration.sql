-- A mapping may put people in tenants below its connection's, and have missing ones made. Which of them are missing shows when the
-- change is applied: the change says whether they may be made then. What it puts somebody in is in before, after and fields.
ALTER TABLE change ADD COLUMN makes_tenants boolean NOT NULL DEFAULT false;
