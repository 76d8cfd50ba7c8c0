-- Whether what a run staged is removed already: looked for again and again, it would cost each later run a walk over all that was there.
ALTER TABLE sync_run ADD COLUMN tidied boolean NOT NULL DEFAULT false;
