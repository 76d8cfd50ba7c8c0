-- Events that no change led to, by whom they are about, and pairs: found without going over all, when somebody is purged.
CREATE INDEX event_beside_changes ON event (auth_user_id) WHERE change_id IS NULL AND auth_user_id IS NOT NULL;
CREATE INDEX pair_auth_user ON pair (auth_user_id);
