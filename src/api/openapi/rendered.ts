// Both forms of the document as they are sent.

import { apiDocument } from './document.ts';
import { CONTENT_SECURITY_POLICY, renderPage } from './page.ts';

export interface RenderedDocument {
  readonly json: string;
  readonly page: string;
  readonly contentSecurityPolicy: string;
}

export function renderDocument(release: string): RenderedDocument {
  const document = apiDocument(release);
  return {
    json: JSON.stringify(document),
    page: renderPage(document),
    contentSecurityPolicy: CONTENT_SECURITY_POLICY,
  };
}
