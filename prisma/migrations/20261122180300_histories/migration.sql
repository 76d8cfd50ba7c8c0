-- What was done to one auth user by hand, of a log that may be long.
CREATE INDEX audit_entry_of_user ON audit_entry ((subject ->> 'id')) WHERE subject ->> 'kind' = 'auth-user';

-- What was once proposed for somebody who has never become an auth user.
CREATE INDEX change_came_to_nothing ON change (connection_id, external_id) WHERE state = 'superseded' AND auth_user_id IS NULL;
