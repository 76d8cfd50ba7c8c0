-- What a role permits and what a product plan has counts in all tenants at once: one event, written at the root and read in every feed,
-- in the place of one for each tenant.
ALTER TABLE event
  ADD COLUMN for_all boolean NOT NULL DEFAULT false,
  -- It shows to everybody, so that it says nothing of anybody.
  ADD CHECK (NOT for_all OR (auth_user_id IS NULL AND data = '{}'));
CREATE INDEX event_for_all ON event (position, id) WHERE for_all;
CREATE POLICY for_all ON event FOR SELECT TO rollcall_app
  USING (for_all AND EXISTS (SELECT FROM visible_tenants()));
