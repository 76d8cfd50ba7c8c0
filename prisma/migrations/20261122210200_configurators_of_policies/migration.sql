-- Whoever changes a policy changes by what all connections go that it is over: of those there are, the last to have changed each is known.
INSERT INTO configurator AS f (connection_id, principal_id, tenant_id, changed_at)
SELECT n.id, (p.changed_by ->> 'id')::uuid, n.tenant_id, max(p.changed_at)
FROM tenant_policy p
  JOIN tenant a ON a.id = p.tenant_id
  JOIN tenant b ON starts_with(b.path, a.path)
  JOIN connection n ON n.tenant_id = b.id
WHERE p.changed_by ->> 'id' IS NOT NULL AND p.changed_by ->> 'kind' <> 'support'
GROUP BY 1, 2, 3
ON CONFLICT (connection_id, principal_id) DO UPDATE SET changed_at = greatest(f.changed_at, excluded.changed_at);

-- All who have had a part in an adjustment, the last of them is its principal.
ALTER TABLE adjustment ADD COLUMN editors uuid[] NOT NULL DEFAULT '{}';
UPDATE adjustment SET editors = ARRAY[principal_id];
