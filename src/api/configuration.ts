/** Configuration as code: the caller's part of the install as a file, and files that are loaded. */
import { z } from 'zod';
import {
  CONFIGURATION_READS,
  CONFIGURATION_WRITES,
  ComparedConfiguration,
  diffConfiguration,
  ExportedConfiguration,
  exportConfiguration,
  LoadedConfiguration,
  loadConfiguration,
} from '../configuration/configuration.ts';
import { route } from './route.ts';

const count = z.number().int();

/** In UTF-16 code units: reading a file keeps other requests waiting, 100,000 of them for some 100 ms, of the worst that was tried 230 ms. */
const LARGEST_FILE = 128 * 1024;

const configurationFile = z.string().max(LARGEST_FILE).describe('The file, as YAML or JSON.');

const Configuration = z
  .object({
    configuration: z.string().describe('YAML. Credentials never come out.'),
    leftOut: z
      .object({ connections: count, users: count, directoryUsers: count })
      .describe(
        'How many a file cannot name: connections that cannot be read; local users without a user name that is theirs alone; users with roles given by hand, of a connection that the file does not have.',
      ),
  })
  .meta({ id: 'Configuration' });

const Difference = z
  .object({
    kind: z.enum(['role', 'product-plan', 'tenant', 'connection', 'user']),
    action: z.enum(['create', 'update']),
    name: z.string(),
    fields: z.array(z.object({ field: z.string(), before: z.unknown(), after: z.unknown() })),
  })
  .meta({ id: 'ConfigurationChange' });

const ConfigurationDifference = z
  .object({
    stamp: z.string().describe('For loading: this is what was seen.'),
    differences: z.array(Difference),
    waiting: count.describe(
      'Users of directories that have not brought them yet: what is given to them is given by a later load.',
    ),
    unnamed: z
      .object({
        roles: count,
        productPlans: count,
        tenants: count,
        connections: count,
        users: count,
        domains: count,
        assignments: count,
      })
      .describe('What is there and not in the file: left alone.'),
  })
  .meta({ id: 'ConfigurationDifference' });

const made = z.object({ created: count, updated: count });

const LoadedAnswer = z
  .object({ roles: made, productPlans: made, tenants: made, connections: made, users: made })
  .meta({ id: 'LoadedConfiguration' });

export const configuration = [
  route({
    method: 'GET',
    path: '/v1/configuration',
    operation: 'exportConfiguration',
    summary: 'Export your part of the install as a configuration file',
    description: 'Loading it back changes nothing. Roles and product plans come for the role system alone.',
    needs: CONFIGURATION_READS,
    input: ExportedConfiguration,
    status: 200,
    answer: Configuration,
    handle: ({ deps, caller, input }) => exportConfiguration(deps, caller, input),
  }),
  route({
    method: 'POST',
    path: '/v1/configuration/diff',
    operation: 'diffConfiguration',
    summary: 'Show what loading a configuration file would change',
    description:
      'Of a file of up to 128 KiB: larger ones are for the command line, or come in parts, one after the other.',
    needs: CONFIGURATION_READS,
    input: ComparedConfiguration.extend({ configuration: configurationFile }),
    status: 200,
    answer: ConfigurationDifference,
    handle: ({ deps, caller, input }) => diffConfiguration(deps, caller, input, { longest: LARGEST_FILE }),
  }),
  route({
    method: 'POST',
    path: '/v1/configuration/load',
    operation: 'loadConfiguration',
    summary: 'Load a configuration file',
    description:
      'Makes and changes what the difference with this stamp showed, and removes nothing. Refused if it would be another one by now. Loaded again, it does what an earlier time left undone.',
    needs: CONFIGURATION_WRITES,
    input: LoadedConfiguration.extend({ configuration: configurationFile }),
    status: 200,
    answer: LoadedAnswer,
    handle: ({ deps, caller, input, signal }) =>
      loadConfiguration(deps, caller, input, { longest: LARGEST_FILE, signal }),
  }),
];
