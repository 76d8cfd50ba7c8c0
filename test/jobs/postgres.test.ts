import { startPostgres } from './backends.ts';
import { queueConformance } from './conformance.ts';

queueConformance('PostgreSQL', startPostgres);
