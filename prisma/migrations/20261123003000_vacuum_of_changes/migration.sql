-- Each decision and each apply leaves dead entries in the index that lists what waits, and every plan goes over them until they are
-- vacuumed away: docs/decisions/0039. Sooner than by default, and without its pauses.
ALTER TABLE change SET (autovacuum_vacuum_threshold = 50000, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_limit = 2000);
