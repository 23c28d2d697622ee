// Where another controller is, in all the forms in which tools write it.

import { describe, expect, test } from 'vitest';

import { parseControllerAddress } from '../../../src/topology/controller-address.ts';

describe('the address of a controller', () => {
  test.each([
    ['127.0.0.1:9379', '127.0.0.1:9379'],
    ['http://127.0.0.1:9379', '127.0.0.1:9379'],
    ['http://127.0.0.1:9379/', '127.0.0.1:9379'],
    ['HTTP://Ctl-1.Example:9379/', 'ctl-1.example:9379'],
    ['http://[0:0::1]:9379', '[::1]:9379'],
  ])('KD8: %s is %s', (text, address) => {
    expect(parseControllerAddress(text)).toEqual({ ok: true, value: address });
  });

  test.each([
    ['0.0.0.0:9379', 'stands for every address of a machine'],
    ['http://0.0.0.0:9379/', 'stands for every address of a machine'],
    ['[::]:9379', 'stands for every address of a machine'],
    ['[0:0:0:0:0:0:0:0]:9379', 'stands for every address of a machine'],
    ['[::ffff:0.0.0.0]:9379', 'stands for every address of a machine'],
    ['*:9379', 'stands for every address of a machine'],
    ['http://*:9379', 'stands for every address of a machine'],
    ['https://127.0.0.1:9379', 'plain HTTP'],
    ['127.0.0.1:9379/', 'expected host:port'],
    ['http://127.0.0.1:9379//', 'expected host:port'],
    ['http://127.0.0.1:9379/raft', 'expected host:port'],
    ['http://user@127.0.0.1:9379', 'expected host:port'],
    ['http://127.0.0.1', 'expected host:port'],
    ['http://', 'expected host:port'],
    ['', 'expected host:port'],
    ['127.0.0.1:9379\n', 'expected host:port, got "127.0.0.1:9379\\u{a}"'],
  ])('KD8: is not %j', (text, reason) => {
    expect(parseControllerAddress(text)).toEqual({ ok: false, error: expect.stringContaining(reason) });
  });
});
