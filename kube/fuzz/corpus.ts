/** The value in the Secrets, which must not appear anywhere. */
export const SECRET_VALUE = 'hunter2-never-shown';

/** Manifests that are right, each a document, which mutations begin with. */
export const CORPUS: readonly [string, ...string[]] = [
  `apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: mutant
  namespace: default
  labels:
    app: mutant
  annotations:
    ingress.cilium.io/request-timeout: 30s
    ingress.cilium.io/force-https: "disabled"
spec:
  ingressClassName: cilium
  tls:
  - hosts:
    - mutant.example.com
    secretName: mutant-tls
  rules:
  - host: mutant.example.com
    http:
      paths:
      - path: /
        pathType: Prefix
        backend:
          service:
            name: mutant
            port:
              number: 80
      - path: /exact
        pathType: Exact
        backend:
          service:
            name: mutant
            port:
              name: http
  - host: "*.mutant.example.com"
    http:
      paths:
      - path: /v[0-9]+/.*
        pathType: ImplementationSpecific
        backend:
          service:
            name: mutant
            port:
              number: 80
`,
  `apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata:
  name: mutant
spec:
  controller: cilium.io/ingress-controller
`,
  `apiVersion: v1
kind: Service
metadata:
  name: mutant
  namespace: default
spec:
  type: ClusterIP
  sessionAffinity: None
  ipFamilies:
  - IPv4
  ports:
  - name: http
    protocol: TCP
    appProtocol: kubernetes.io/h2c
    port: 80
    targetPort: 8080
  - name: other
    port: 81
    targetPort: other
`,
  `apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: mutant-1
  namespace: default
  labels:
    kubernetes.io/service-name: mutant
addressType: IPv4
ports:
- name: http
  port: 8080
  protocol: TCP
endpoints:
- addresses:
  - 10.0.0.1
  conditions:
    ready: true
    serving: true
    terminating: false
- addresses:
  - 10.0.0.2
  conditions:
    ready: false
`,
  `apiVersion: v1
kind: Secret
metadata:
  name: mutant-tls
  namespace: default
type: kubernetes.io/tls
stringData:
  tls.crt: ${SECRET_VALUE}
data:
  tls.key: ${Buffer.from(SECRET_VALUE).toString('base64')}
`,
  `apiVersion: sluice.io/v1alpha1
kind: SluiceSettings
metadata:
  name: mutant
spec:
  http:
    accessLog: json
  ingress:
    requestTimeout: 30s
    service:
      labels:
        app: mutant
  upstream:
    retry:
      on:
      - connect-failure
      attempts: 3
`,
  `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: mutant
  namespace: default
spec:
  podSelector:
    matchLabels:
      app: mutant
  policyTypes:
  - Ingress
  ingress:
  - from:
    - podSelector: {}
    - ipBlock:
        cidr: 10.0.0.0/8
        except:
        - 10.1.0.0/16
    ports:
    - port: 80
      endPort: 90
`,
  `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata:
  name: mutant
  namespace: default
spec:
  endpointSelector: {}
  egress:
  - toEntities:
    - world
    toPorts:
    - ports:
      - port: "443"
        protocol: TCP
`,
  `apiVersion: v1
kind: Pod
metadata:
  name: mutant
  namespace: default
  labels:
    app: mutant
spec:
  nodeName: node-0
  containers:
  - name: main
    ports:
    - name: http
      containerPort: 80
`,
];

/** Manifests that have nothing to do with the others, and must never notice them; `name` tells several apart. */
export function neighbourManifests(name: string): readonly string[] {
  return [
    `apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: ${name}
  namespace: ${name}
spec:
  ingressClassName: cilium
  rules:
  - host: ${name}.example.org
    http:
      paths:
      - path: /
        pathType: Prefix
        backend:
          service:
            name: ${name}
            port:
              number: 80
`,
    `apiVersion: v1
kind: Service
metadata:
  name: ${name}
  namespace: ${name}
spec:
  ports:
  - name: http
    port: 80
    targetPort: 8080
`,
    `apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: ${name}-1
  namespace: ${name}
  labels:
    kubernetes.io/service-name: ${name}
addressType: IPv4
ports:
- name: http
  port: 8080
endpoints:
- addresses:
  - 127.0.0.1
`,
  ];
}
