import { startRedis, whyNoRedis } from './backends.ts';
import { queueConformance } from './conformance.ts';

queueConformance('Redis', startRedis, { skippedBecause: whyNoRedis() });
