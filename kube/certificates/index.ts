export { giveCertificate, judgeRequest, type Reason } from './answer-request.ts';
export { CertificateError, type CertificateErrorCode } from './certificate-error.ts';
export { type CertificateRequest, hasCondition, readCertificateRequest } from './certificate-request.ts';
export { type FollowOptions, followRequests } from './follow-requests.ts';
export { type CertificateWish, requestCertificate } from './request-certificate.ts';
