-- Whether people of a connection are in tenants below its own, without going over everybody.
CREATE INDEX identity_place ON identity (connection_id, tenant_id);
