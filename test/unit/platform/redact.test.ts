import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isSecretKey, redactStart, redactText } from '../../../src/platform/redact.ts'

const jwt =
  'eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U'

const secretKeys = [
  'token',
  'accessToken',
  'refresh_token',
  'X-Refresh-Token',
  'REFRESH_TOKEN',
  'idToken',
  'jwt',
  'session_token',
  'password',
  'Password',
  'db_password',
  'passwd',
  'passphrase',
  'secret',
  'clientSecret',
  'SECRET_KEY_BASE',
  'authorization',
  'Proxy-Authorization',
  'cookie',
  'Set-Cookie',
  'credentials',
  'apiKey',
  'api_key',
  'APIKey',
  'apikey',
  'X-Api-Key',
  'OPENAI_API_KEY',
  'privateKey',
  'private_key',
  'access_key',
  'signingKey',
  'encryption-key',
]

const openKeys = [
  'idempotency-key',
  'idempotencyKey',
  'idempotency_key',
  'key',
  'keys',
  'publicKey',
  'primaryKey',
  'id',
  'agentId',
  'messageId',
  'hash',
  'sha256',
  'content_hash',
  'sequence',
  'tokens',
  'promptTokens',
  'max_tokens',
  'tokenCount',
  'tokenId',
  'token_generation',
  'tokenFamily',
  'token_expires_at',
  'token_hash',
  'passwordHash',
  'password_changed_at',
  'secretName',
  'credentialsPath',
  'author',
  'monkey',
  'keyboard',
  'compass',
  'session',
  'sessionId',
  'bearing',
  '',
  '…',
]

test('knows the keys of secrets, however they are written', () => {
  assert.deepEqual(
    secretKeys.filter((key) => !isSecretKey(key)),
    [],
  )
})

test('leaves identifiers, idempotency keys, hashes and counts alone', () => {
  assert.deepEqual(openKeys.filter(isSecretKey), [])
})

const texts: readonly (readonly [text: string, redacted: string])[] = [
  ['Authorization: Bearer abc.def-123', 'Authorization: [redacted]'],
  ['authorization: Basic dXNlcjpwYXNz\r\nhost: hub', 'authorization: [redacted]\r\nhost: hub'],
  ['sent Bearer abcdef123456 to hub', 'sent Bearer [redacted] to hub'],
  ['with BASIC dXNlcjpwYXNzd29yZA==.', 'with BASIC [redacted].'],
  ['Set-Cookie: sid=abc; Path=/', 'Set-Cookie: [redacted]'],
  [`claims of ${jwt} are stale`, 'claims of [redacted] are stale'],
  [`cut ${jwt.slice(0, 60)}`, 'cut [redacted]'],
  ['key sk-proj-abcdefghijklmnop1234567890 failed', 'key [redacted] failed'],
  ['key sk-ant-api03-abcdefghijklmnop_1234-567890', 'key [redacted]'],
  ['stripe sk_live_abcdefghijklmnop1234', 'stripe [redacted]'],
  ['ghp_abcdefghijklmnopqrstuvwxyz0123456789', '[redacted]'],
  ['github_pat_11ABCDEFG0abcdefghijkl_mnop', '[redacted]'],
  ['slack xoxb-123456789012-abcdefABCDEF', 'slack [redacted]'],
  ['aws AKIAIOSFODNN7EXAMPLE', 'aws [redacted]'],
  ['google AIzaSyA1234567890abcdefghijklmnopqrstuvw', 'google [redacted]'],
  ['npm_abcdefghijklmnopqrstuvwxyz0123456789', '[redacted]'],
  ['postgres://ada:hunter2@db:5432/hub', 'postgres://[redacted]@db:5432/hub'],
  ['https://user:p@ss@host/path', 'https://[redacted]@host/path'],
  ['https://oauth2:x@git.example.com/a?b=c', 'https://[redacted]@git.example.com/a?b=c'],
  ['https://hooks.slack.com/services/T01/B02/abcdefgh', 'https://hooks.slack.com/services/[redacted]'],
  ['https://discord.com/api/webhooks/123/ab-cd_ef now', 'https://discord.com/api/webhooks/[redacted] now'],
  ['https://api.telegram.org/bot123456:AbCdEfGhIjKlMnOpQr/x', 'https://api.telegram.org/bot[redacted]/x'],
  ['wss://hub/ws?token=abc&x=1', 'wss://hub/ws?token=[redacted]&x=1'],
  ['GET /ws?access_token=abc#f', 'GET /ws?access_token=[redacted]#f'],
  ['https://s3/x?X-Amz-Signature=0011aabb', 'https://s3/x?X-Amz-Signature=[redacted]'],
  ['{"refresh_token":"abc def","id":7}', '{"refresh_token":"[redacted]","id":7}'],
  ['"{\\"password\\":\\"hunter2\\"}"', '"{\\"password\\":\\"[redacted]\\"}"'],
  ["{ apiKey: 'abc' }", "{ apiKey: '[redacted]' }"],
  ['password: hunter2, user: ada', 'password: [redacted], user: ada'],
  ['PGPASSWORD=hunter2 psql', 'PGPASSWORD=[redacted] psql'],
  ['-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY----- tail', '[redacted] tail'],
  ['-----BEGIN PRIVATE KEY-----\\nMIIE and never ends', '[redacted]'],
]

test('takes secrets out of texts by their shape', () => {
  for (const [text, expected] of texts) assert.equal(redactText(text), expected)
})

test('changes nothing when it goes over its own result', () => {
  for (const [text] of texts) assert.equal(redactText(redactText(text)), redactText(text))
})

test('leaves ordinary texts alone', () => {
  const ordinary = [
    'turn 17 of conversation 5f3c1c52-8a0f-4b52-9ee9-2f1b7d1c1a11 done in 12 ms',
    'idempotency-key: order-2024-05-01-000123',
    'key=order-17&state=done',
    'sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
    'the task-1234567890abcdef1234 of disk-0123456789abcdef0123',
    'unexpected token: "}" at 17',
    'used 1200 tokens: 900 in, 300 out',
    '-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----',
    'https://hub.example.com:8767/messages/17?after=3&limit=100',
    'mail ada@example.com about http://example.com/@ada',
    'eyJ is how a token begins',
  ]
  for (const text of ordinary) assert.equal(redactText(text), text)
})

test('takes out the secrets it is told of, and no ordinary word', () => {
  assert.equal(redactText('a my-own.secret+b my-own.secret+', ['my-own.secret+']), 'a [redacted]b [redacted]')
  assert.equal(redactText('an apple a day', ['a', 'apple']), 'an apple a day')
})

test('takes linear time on hostile texts', () => {
  const length = 200_000
  const hostile = [
    'a'.repeat(length),
    'token'.repeat(length / 5),
    'token='.repeat(length / 6),
    'password: '.repeat(length / 10),
    '://'.repeat(length / 3),
    '://a'.repeat(length / 4),
    `://${'a'.repeat(length)}`,
    'eyJ'.repeat(length / 3),
    'eyJaaaaaaaaaa.'.repeat(length / 14),
    'sk-'.repeat(length / 3),
    'sk-aa-'.repeat(length / 6),
    ' '.repeat(length),
    '-----BEGIN PRIVATE KEY-----'.repeat(length / 27),
    '-----BEGIN '.repeat(length / 11),
    'bearer '.repeat(length / 7),
    'authorization:'.repeat(length / 14),
    '\\'.repeat(length),
    'token\\\\\\'.repeat(length / 8),
    '"token":"'.repeat(length / 9),
    'xoxb-'.repeat(length / 5),
    '@'.repeat(length),
    'hooks.slack.com/a/'.repeat(length / 18),
    '/bot1'.repeat(length / 5),
    '/api/webhooks/'.repeat(length / 14),
    '=;,'.repeat(length / 3),
    'set-cookie'.repeat(length / 10),
  ]
  for (const text of hostile) {
    const before = performance.now()
    redactText(text)
    const tookMs = performance.now() - before
    assert.ok(tookMs < 2_000, `${text.slice(0, 30)} took ${tookMs} ms`)
  }
})

test('of the beginning of a text no half of a secret is left, wherever it is cut', () => {
  const secret = 'planted-canary-of-the-ingress'
  const text = `${secret} `.repeat(200)
  for (let length = 0; length < 100; length += 1) {
    const start = redactStart(text, length, [secret])
    assert.equal(start.isWhole, false)
    assert.ok(start.text.length <= length)
    assert.doesNotMatch(start.text, /plant|ingress/)
  }
  assert.deepEqual(redactStart('short', 5), { text: 'short', isWhole: true })
  assert.deepEqual(redactStart('longer', 5), { text: 'longe', isWhole: false })
})
