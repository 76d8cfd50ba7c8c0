/** Reads what prisma/schema.prisma says about tables, as far as a database can be asked for the same. */

export type DescribedTable = {
  /** By column, as in `uuid`, `text?`, `_text` (an array): PostgreSQL's name of the type, `?` where null is allowed. */
  readonly columns: Readonly<Record<string, string>>;
  readonly primaryKey: readonly string[];
  /** Columns of each, joined by a comma; sorted. */
  readonly uniques: readonly string[];
  readonly foreignKeys: readonly string[];
  /** By name. */
  readonly indexes: Readonly<Record<string, string>>;
};

const typeOf: Readonly<Record<string, string>> = {
  String: 'text',
  Int: 'int4',
  BigInt: 'int8',
  Boolean: 'bool',
  DateTime: 'timestamp',
  Json: 'jsonb',
  '@db.Json': 'json',
  Bytes: 'bytea',
  '@db.Uuid': 'uuid',
  '@db.Timestamptz': 'timestamptz',
};

type Model = { readonly name: string; readonly lines: readonly string[] };

/** By table. Throws at anything that it does not understand, so that nothing goes unread. */
export function parsePrismaSchema(text: string): Readonly<Record<string, DescribedTable>> {
  const models = [...text.matchAll(/^model (\w+) \{\n([\s\S]*?)^\}/gm)].map(
    ([, name = '', body = '']): Model => ({
      name,
      lines: body
        .split('\n')
        .map((line) => line.trim())
        .filter((line) => line !== '' && !line.startsWith('//')),
    }),
  );
  const known = new Map(models.map((model) => [model.name, model]));
  return Object.fromEntries(models.map((model) => [tableName(model), describeModel(model, known)]));
}

function tableName({ name, lines }: Model): string {
  return /^@@map\("(\w+)"\)/.exec(lines.find((line) => line.startsWith('@@map')) ?? '')?.[1] ?? name;
}

type Field = { readonly name: string; readonly type: string; readonly rest: string };

function fieldsOf({ lines }: Model): readonly Field[] {
  return lines
    .filter((line) => !line.startsWith('@@'))
    .map((line) => {
      const [, name = '', type = '', rest = ''] = /^(\w+)\s+(\S+)\s*(.*)$/.exec(line) ?? [];
      if (name === '') throw new Error(`this line of the schema is not understood: ${line}`);
      return { name, type, rest };
    });
}

const columnName = ({ name, rest }: Field) => /@map\("(\w+)"\)/.exec(rest)?.[1] ?? name;

function columnsNamed(model: Model, list: string): string {
  const columns = new Map(fieldsOf(model).map((field) => [field.name, columnName(field)]));
  return list
    .split(',')
    .map((name) => columns.get(name.trim()) ?? `unknown field ${name}`)
    .join(',');
}

function describeModel(model: Model, known: ReadonlyMap<string, Model>): DescribedTable {
  const fields = fieldsOf(model);
  const scalars = fields.filter(({ type }) => !known.has(type.replace(/[?[\]]/g, '')));
  const block = (kind: string) =>
    model.lines.flatMap((line) => {
      const [, list, name] =
        new RegExp(`^@@${kind}\\(\\[([^\\]]+)\\](?:, map: "(\\w+)")?\\)`).exec(line) ?? [];
      return list === undefined ? [] : [{ columns: columnsNamed(model, list), name }];
    });
  const keys = [
    ...scalars.filter(({ rest }) => /@id\b/.test(rest)).map(columnName),
    ...block('id').flatMap(({ columns }) => columns.split(',')),
  ];
  const uniques = [
    ...scalars.filter(({ rest }) => /@unique\b/.test(rest)).map(columnName),
    ...block('unique').map(({ columns }) => columns),
  ];
  return {
    columns: Object.fromEntries(scalars.map((field) => [columnName(field), typeIn(field)])),
    primaryKey: keys,
    uniques: uniques.sort(),
    foreignKeys: fields.flatMap((field) => foreignKey(model, field, known)).sort(),
    indexes: Object.fromEntries(block('index').map(({ columns, name }) => [name, columns])),
  };
}

function typeIn({ name, type, rest }: Field): string {
  const native = /@db\.\w+/.exec(rest)?.[0];
  const sql = typeOf[native ?? type.replace(/[?[\]]/g, '')];
  if (sql === undefined) throw new Error(`the type of ${name} is not understood: ${type} ${rest}`);
  return `${type.endsWith('[]') ? '_' : ''}${sql}${type.endsWith('?') ? '?' : ''}`;
}

function foreignKey(
  model: Model,
  { type, rest }: Field,
  known: ReadonlyMap<string, Model>,
): readonly string[] {
  const [, from, to] = /@relation\(.*fields: \[([^\]]+)\], references: \[([^\]]+)\]/.exec(rest) ?? [];
  const target = known.get(type.replace('?', ''));
  if (from === undefined || to === undefined || target === undefined) return [];
  return [`${columnsNamed(model, from)} -> ${tableName(target)}(${columnsNamed(target, to)})`];
}
