import assert from 'node:assert/strict'
import { test } from 'node:test'
import { argument, pattern, plain, program, word } from '../../../../src/daemon/service/unit-text.ts'

test('what needs no quotes has none', () => {
  assert.equal(argument('/opt/node-24/bin/node'), '/opt/node-24/bin/node')
  assert.equal(argument('--home'), '--home')
})

test('blanks, quotes and backslashes are quoted', () => {
  assert.equal(word('/my agents'), '"/my agents"')
  assert.equal(word(String.raw`/a"b\c`), String.raw`"/a\"b\\c"`)
  assert.equal(word("/it's"), `"/it's"`)
})

test('a percent sign is no specifier anywhere', () => {
  assert.equal(plain('/100%h'), '/100%%h')
  assert.equal(word('/100%h'), '/100%%h')
})

test('a dollar sign is no variable in arguments, and stays one in the name of the program', () => {
  assert.equal(argument('/$HOME/x'), '/$$HOME/x')
  assert.equal(program('/$HOME/x'), '/$HOME/x')
  assert.equal(word('/$HOME/x'), '/$HOME/x')
})

test('a path that is taken as a pattern matches itself alone', () => {
  assert.equal(pattern('/a*b?[c]'), String.raw`/a\*b\?\[c\]`)
})
