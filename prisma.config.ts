// The client is generated from the schema alone; Prisma's schema engine is never run (docs/decisions/0003).
// Naming any existing file keeps `prisma generate` from downloading it.
process.env['PRISMA_SCHEMA_ENGINE_BINARY'] ??= process.execPath;

export default { schema: 'prisma/schema.prisma' };
