/** People who may be one: listed, and chosen by a person. */
import { z } from 'zod';
import { PAIR_KINDS, PAIR_STATES, type PairKind, SHARED, type Shared } from '../domain/pair.ts';
import { choosePairs, getPair, listPairs, PairFilter, PairVerdicts } from '../review/pairs.ts';
import { pageOf } from './page.ts';
import { route } from './route.ts';

const moment = z.iso.datetime();

const Pair = z
  .object({
    id: z.uuid(),
    tenant: z.uuid(),
    connection: z.uuid(),
    kind: z.enum(Object.keys(PAIR_KINDS) as [PairKind, ...PairKind[]]),
    state: z.enum(PAIR_STATES),
    shares: z.array(z.enum(Object.keys(SHARED) as [Shared, ...Shared[]])).describe('What speaks for it.'),
    joiner: z.object({
      externalId: z.string(),
      name: z.string(),
      change: z.uuid().nullable().describe('The change that waits for them.'),
    }),
    authUser: z.object({
      id: z.uuid(),
      name: z.string(),
      state: z.string(),
      formerExternalId: z.string().nullable().describe('The id that the directory has, or had, for them.'),
      change: z.uuid().nullable().describe('The change by which they would leave.'),
    }),
    fingerprint: z
      .string()
      .nullable()
      .describe('What a verdict is bound to; send it with the verdict. null: there is nothing to choose.'),
    revision: z.number().int().describe('Of the change set when the two were found.'),
    by: z.string().nullable(),
    reason: z.string().nullable(),
    decidedAt: moment.nullable(),
    createdAt: moment,
  })
  .meta({ id: 'Pair' });

export const pairs = [
  route({
    method: 'GET',
    path: '/v1/pairs',
    operation: 'listPairs',
    summary: 'List those who come and may be auth users that are there',
    needs: 'changes.read',
    input: PairFilter,
    status: 200,
    answer: pageOf(Pair),
    handle: ({ deps, caller, input }) => listPairs(deps, caller, input),
  }),
  route({
    method: 'POST',
    path: '/v1/pairs/verdicts',
    operation: 'choosePairs',
    summary: 'Say of pairs whether the two are one person',
    description:
      'Each with the fingerprint that was shown. What is otherwise by now is refused, not its neighbours. The next run proposes what still differs.',
    needs: ['changes.decide', 'changes.apply'],
    input: PairVerdicts,
    status: 200,
    answer: z.object({
      decided: z.number().int(),
      refused: z.array(
        z.object({
          id: z.string(),
          because: z.enum(['not-found', 'changed-since-shown', 'not-allowed-now', 'same-address']),
        }),
      ),
    }),
    handle: ({ deps, caller, input }) => choosePairs(deps, caller, input),
  }),
  route({
    method: 'GET',
    path: '/v1/pairs/{pair}',
    operation: 'getPair',
    summary: 'Get a pair',
    needs: 'changes.read',
    input: z.object({ pair: z.uuid() }),
    status: 200,
    answer: Pair,
    handle: ({ deps, caller, input }) => getPair(deps, caller, input.pair),
  }),
];
