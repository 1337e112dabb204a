/**
 * Words of a text, the way notes are indexed and asked for. Both sides fold a text alike, so that a query finds what
 * was written in another case, with other accents, in full-width letters or in a decomposed form.
 */

/** Words that carry a question rather than its subject: listed in docs/reference/reflex.md. */
export const stopWords: ReadonlySet<string> = new Set(
  [
    // Question words.
    'how what when where which who whom whose why',
    // Articles.
    'a an the',
    // Auxiliaries.
    'am are be been being can could did do does had has have having is must shall should was were will would',
    // Pronouns and demonstratives.
    'he her hers him his i it its me mine my our ours she that their theirs them these they this those us we you',
    'your yours here there',
    // Prepositions and conjunctions.
    'about and at by for from in of on or to with',
    // What an apostrophe leaves behind (where's, don't, I'll).
    'aren d didn doesn don hasn haven isn ll m re s t ve wasn weren',
  ].flatMap((line) => line.split(' ')),
)

/** Words of a query that are looked for; more are left out, so that a pasted page does not become a slow search. */
const queryWordsMax = 32

/** Scripts written without spaces: each of their letters is a word to the index, and a run of them a phrase. */
const unspaced = /[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Thai}\p{sc=Lao}\p{sc=Khmer}\p{sc=Myanmar}]/gu

/** A run of letters and digits with their marks; a change between Han and kana also ends a word. */
const word =
  /\p{sc=Han}+|\p{sc=Hiragana}+|[\p{sc=Katakana}ー]+|(?:(?![\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}])[\p{L}\p{N}]\p{M}*)+/gu

/** The text in lower case, in one normal form, without the accents of Latin, Greek and Cyrillic letters. */
function foldText(text: string): string {
  return text
    .normalize('NFKD')
    .replace(/[\u0300-\u036f]/g, '')
    .normalize('NFC')
    .toLowerCase()
}

/** The folded text with the letters of unspaced scripts set apart, as the full-text index takes it. */
export function indexText(text: string): string {
  return foldText(text).replace(unspaced, ' $& ')
}

/** Distinct folded words in the order of the text. */
export function words(text: string): string[] {
  return [...new Set(foldText(text).match(word))]
}

/** The words without stop words, or all of them where nothing else is left. At most `queryWordsMax`. */
export function significantWords(text: string): string[] {
  const all = words(text)
  const significant = all.filter((each) => !stopWords.has(each))
  return (significant.length > 0 ? significant : all).slice(0, queryWordsMax)
}
