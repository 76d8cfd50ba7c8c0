-- Those who were made, or brought back, and whom an undo has deleted: what is personal about them goes in time too.
INSERT INTO leaver (connection_id, external_id, tenant_id, auth_user_id, since, deleted_at)
SELECT DISTINCT ON (c.connection_id, c.external_id) c.connection_id, c.external_id, n.tenant_id, c.auth_user_id, c.closed_at, c.closed_at
FROM change c JOIN connection n ON n.id = c.connection_id
  JOIN identity i ON i.connection_id = c.connection_id AND i.external_id = c.external_id AND i.auth_user_id = c.auth_user_id
  JOIN auth_user a ON a.id = c.auth_user_id AND a.state = 'deleted'
WHERE c.kind = 'delete' AND c.state = 'applied' AND c.outcome = 'applied' AND c.undoes IS NOT NULL AND c.closed_at IS NOT NULL
ORDER BY c.connection_id, c.external_id, c.id DESC
ON CONFLICT DO NOTHING;
