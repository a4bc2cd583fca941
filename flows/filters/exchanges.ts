import { RE2JS, RE2JSException } from 're2js';
import type { Flow } from '../flow.ts';
import { OptionProblem } from '../option-problem.ts';

type MatchesFlow = (flow: Flow) => boolean;

const WHOLE_CODE = /^[1-5][0-9]{2}$/;
const CODE_PREFIX = /^[1-5][0-9]?\+$/;

/** `404`, `5+`, `40+`. */
export function statusCode(text: string): MatchesFlow | OptionProblem {
  if (!WHOLE_CODE.test(text) && !CODE_PREFIX.test(text)) {
    return new OptionProblem(`${JSON.stringify(text)} is no status code ("404") and no beginning of one ("4+")`);
  }
  const wanted = text.replace('+', '');
  return ({ l7 }) => l7?.kind === 'http' && l7.code !== undefined && String(l7.code).padStart(3, '0').startsWith(wanted);
}

export function httpPath(pattern: string): MatchesFlow | OptionProblem {
  return expression(pattern, ({ l7 }) => (l7?.kind === 'http' ? pathOf(l7.url) : undefined));
}

export function httpUrl(pattern: string): MatchesFlow | OptionProblem {
  return expression(pattern, ({ l7 }) => (l7?.kind === 'http' ? l7.url : undefined));
}

export function queries(pattern: string): MatchesFlow | OptionProblem {
  return expression(pattern, ({ l7 }) => (l7?.kind === 'dns' ? l7.query : undefined));
}

/** A regular expression, as RE2 has them, that is found somewhere in a text. */
function expression(pattern: string, textOf: (flow: Flow) => string | undefined): MatchesFlow | OptionProblem {
  try {
    const compiled = RE2JS.compile(pattern);
    return (flow) => {
      const text = textOf(flow);
      return text !== undefined && text !== '' && compiled.matcher(text).find();
    };
  } catch (error) {
    if (!(error instanceof RE2JSException)) throw error;
    return new OptionProblem(`${JSON.stringify(pattern)} is no regular expression: ${error.message}`);
  }
}

/**
 * Of a URL as flows have it, whatever clients have written: without scheme, host, query and fragment, and decoded, as Hubble's clients expect. Dot
 * segments stay, since they are what was asked for.
 */
function pathOf(url: string): string {
  const [path = ''] = url.replace(/^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i, '').split(/[?#]/, 1);
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}
