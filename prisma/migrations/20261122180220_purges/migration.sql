-- When they were deleted; null: not yet. Until they are purged, or are back, they stand here.
ALTER TABLE leaver ADD COLUMN deleted_at timestamptz;
CREATE INDEX leaver_deleted ON leaver (connection_id, deleted_at) WHERE deleted_at IS NOT NULL;

-- Those whom applies have deleted before there was this table.
INSERT INTO leaver (connection_id, external_id, tenant_id, auth_user_id, since, deleted_at)
SELECT DISTINCT ON (c.connection_id, c.external_id) c.connection_id, c.external_id, n.tenant_id, c.auth_user_id, c.closed_at, c.closed_at
FROM change c JOIN connection n ON n.id = c.connection_id
  JOIN identity i ON i.connection_id = c.connection_id AND i.external_id = c.external_id AND i.auth_user_id = c.auth_user_id
  JOIN auth_user a ON a.id = c.auth_user_id AND a.state = 'deleted'
WHERE c.kind = 'delete' AND c.state = 'applied' AND c.outcome = 'applied' AND c.undoes IS NULL AND c.closed_at IS NOT NULL
ORDER BY c.connection_id, c.external_id, c.id DESC
ON CONFLICT DO NOTHING;
