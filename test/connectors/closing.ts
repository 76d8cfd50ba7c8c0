import { afterEach } from 'vitest';

type Closable = { close(): Promise<void> };

/** Gives back what it is given, and closes it after the test: the last opened first. */
export function closingAfterEach(): <T extends Closable>(opened: T) => T {
  const all: Closable[] = [];
  afterEach(async () => {
    for (const one of all.splice(0).reverse()) await one.close();
  });
  return (opened) => {
    all.push(opened);
    return opened;
  };
}
