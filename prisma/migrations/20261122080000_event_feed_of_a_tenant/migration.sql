-- A tenant's feed goes on from where its reader was without reading over what all other tenants wrote since. The feed of the whole
-- install keeps its own index.
CREATE INDEX event_feed_of_tenant ON event (tenant_id, position, id);
