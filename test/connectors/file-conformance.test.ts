import { connectorConformance, type Simulated } from '../../connectors/conformance.ts';
import { connectors } from '../../connectors/registry.ts';
import { FileFolder, FOLDER_KEY } from './fileFolder.ts';

const PAGE_SIZE = 1_000;

/** A file of people in CSV, which somebody edits. */
async function aFile(pages: number): Promise<Simulated> {
  const folder = new FileFolder();
  const people = new Map<string, 'active' | 'suspended'>();
  const left = new Set<string>();
  const hire = (count: number) => {
    const ids = Array.from({ length: count }, (_, next) => `p${people.size + left.size + next}`);
    for (const id of ids) people.set(id, 'active');
    return ids;
  };
  const rows = () =>
    [...people].map(([id, state]) => `${id},${id}@acme.example,${state},Staff;Team ${id.at(-1)}`);
  const write = (lines = rows()) => folder.write('users.csv', ['id,mail,state,teams', ...lines].join('\n'));
  const edits = {
    'empty-first-page': () => write([]),
    'unreadable-record': () => write(rows().with(3, `${rows()[3]},one too many`)),
    'unreadable-id': () => write(rows().with(3, ' ,nobody@acme.example,active,Staff')),
    'list-key-missing': () => folder.write('users.csv', rows().join('\n')),
    'html-page': () => folder.write('users.csv', '<html><body>Please sign in</body></html>'),
    'cut-off': () => write([...rows(), 'p1,"cut']),
    'token-refused': () => folder.folder('acme', 'another-key-than-before'),
  };
  let mended = () => {};
  hire(pages * PAGE_SIZE - PAGE_SIZE / 2);
  write();
  return {
    connect: (tuning) =>
      folder.connect(
        {
          columns: { externalId: 'id', email: 'mail', state: 'state' },
          groups: { column: 'teams' },
        },
        { tuning },
      ),
    control: {
      state: async () => ({ users: { listed: people.size, deleted: 0 }, groups: 11, requests: {} }),
      fault: async ({ name }) => {
        Object.entries(edits).find(([edit]) => edit === name)?.[1]();
        mended = () => {
          write();
          folder.folder('acme', FOLDER_KEY);
        };
      },
      clearFaults: async () => {
        mended();
        mended = () => {};
      },
      hire: async (count) => {
        const ids = hire(count);
        write();
        return { ids };
      },
      leave: async (who, how) => {
        const ids = typeof who === 'number' ? [...people.keys()].slice(0, who) : who;
        for (const id of ids) {
          if (how === 'disable') people.set(id, 'suspended');
          else if (people.delete(id)) left.add(id);
        }
        write();
        return { ids };
      },
      restore: async (ids) => {
        for (const id of ids) if (left.delete(id)) people.set(id, 'active');
        write();
        return { ids };
      },
    },
    secrets: [FOLDER_KEY, folder.root],
    close: () => folder.remove(),
  };
}

connectorConformance('A file', ({ pages }) => aFile(pages), {
  abilities: connectors.file.abilities,
  // Whoever writes the file has to put it right.
  brokenPagesAre: 'misconfigured',
  // connectors/file/README.md, "What cannot happen here", has the reasons at length.
  cannot: [
    // Nobody answers: a file that is missing or may not be read stays so until somebody changes that (file-access.test.ts).
    'statuses',
    'throttling',
    // CSV has no null.
    'list-key-null',
    // The pages are Rollcall's own: each is full but the last, and none says where the next one is.
    'empty-middle-page',
    'links',
    'loops',
    // There is no connection, no request and no token.
    'network',
    'request-counts',
    'expiring-tokens',
  ],
});
