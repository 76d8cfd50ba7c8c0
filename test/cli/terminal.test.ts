import { expect, it } from 'vitest';
import { cut, harmless, timeLeft, widthOf } from '../../src/cli/terminal.ts';

it('lets no name from a directory steer the terminal', () => {
  expect(harmless('Ada\u001B[2J\u0007 Obi')).toBe('Ada\uFFFD[2J\uFFFD Obi');
  expect(harmless('gnp.\u202Efdp')).toBe('gnp.\uFFFDfdp');
  expect(harmless('two\nlines\tand tabs')).toBe('two lines and tabs');
  expect(harmless('Åsa Øvergård 山田 太郎')).toBe('Åsa Øvergård 山田 太郎');
});

it('counts the columns that a name takes, not its characters', () => {
  expect(widthOf('Ada')).toBe(3);
  expect(widthOf('山田')).toBe(4);
  expect(widthOf('e\u0301')).toBe(1);
});

it('cuts a text to the columns there are, and shows that it did', () => {
  expect(cut('Ada Obi', 7)).toBe('Ada Obi');
  expect(cut('Ada Obi', 6)).toBe('Ada O…');
  expect(cut('山田太郎', 5)).toBe('山田…');
});

it('tells the time left only when there is a pace to tell it from', () => {
  expect(timeLeft(0, 100, 5_000)).toBe('');
  expect(timeLeft(100, 100, 5_000)).toBe('');
  expect(timeLeft(25, 100, 10_000)).toBe('30 s left');
  expect(timeLeft(1, 100, 10_000)).toBe('17 min left');
});
