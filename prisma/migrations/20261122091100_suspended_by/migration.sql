-- By the authority of which tenant another one was suspended, or is to be deleted: the caller's. What was decided above is not undone
-- below it. null: of all those above. No keys: the row of a tenant stays when it is deleted.
ALTER TABLE tenant
  -- While it is suspended, be it that a scheduled deletion has it suspended besides.
  ADD COLUMN suspended_by uuid,
  -- While a deletion is scheduled.
  ADD COLUMN deletion_by uuid;
GRANT UPDATE (suspended_by, deletion_by) ON tenant TO rollcall_app;

-- Of what is suspended by now, the audit log knows who did it last.
UPDATE tenant t SET
  suspended_by = CASE WHEN coalesce(t.kept_state, t.state) = 'suspended' THEN (
    SELECT p.tenant_id FROM audit_entry e JOIN principal p ON p.id::text = e.actor ->> 'id'
    WHERE e.tenant_id = t.id AND e.action = 'tenant.suspended' ORDER BY e.number DESC LIMIT 1) END,
  deletion_by = CASE WHEN t.delete_at IS NOT NULL THEN (
    SELECT p.tenant_id FROM audit_entry e JOIN principal p ON p.id::text = e.actor ->> 'id'
    WHERE e.tenant_id = t.id AND e.action = 'tenant.deletion-scheduled' ORDER BY e.number DESC LIMIT 1) END
WHERE t.state = 'suspended';
