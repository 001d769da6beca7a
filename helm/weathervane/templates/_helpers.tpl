{{/* The labels of every object. */}}
{{- define "weathervane.labels" -}}
{{ include "weathervane.selector" . }}
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end }}

{{/* What pods are selected by. Never changes: a Deployment's selector cannot. */}}
{{- define "weathervane.selector" -}}
app.kubernetes.io/name: weathervane
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* An image's whole name: by digest where there is one. */}}
{{- define "weathervane.image" -}}
{{- $image := index .root.Values.images .which -}}
{{- if $image.digest -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ $image.tag | default .root.Chart.AppVersion }}
{{- end -}}
{{- end }}

{{/* Pod Security `restricted`, of a pod. */}}
{{- define "weathervane.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{/* Pod Security `restricted`, of a container, and nothing to write to but its volumes. */}}
{{- define "weathervane.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities:
  drop: [ALL]
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{/* Where pods go, and how their images are pulled. */}}
{{- define "weathervane.placement" -}}
{{- with .Values.images.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . | quote }}
  {{- end }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "weathervane.endpoint" -}}
{{- if .Values.store.minio.enabled -}}
http://weathervane-store.{{ .Release.Namespace }}.svc:9000
{{- else -}}
{{ required "store.external.endpoint: name your store, or set store.minio.enabled" .Values.store.external.endpoint }}
{{- end -}}
{{- end }}

{{- define "weathervane.trackingUri" -}}
{{- if .Values.mlflow.enabled -}}
http://weathervane-mlflow.{{ .Release.Namespace }}.svc:5000
{{- else -}}
{{ required "mlflow.external.uri: name your MLflow, or set mlflow.enabled" .Values.mlflow.external.uri }}
{{- end -}}
{{- end }}

{{- define "weathervane.pipelinesNamespace" -}}
{{ .Values.pipelines.namespace | default .Release.Namespace }}
{{- end }}

{{- define "weathervane.pipelinesAccount" -}}
{{ .Values.pipelines.serviceAccount | default "weathervane-pipeline" }}
{{- end }}

{{/* What the installation's Jobs are told: weathervane/install/site.py. No secret is in it. */}}
{{- define "weathervane.site" -}}
{{- $site := dict
  "namespace" .Release.Namespace
  "pipelines_namespace" (include "weathervane.pipelinesNamespace" .)
  "endpoint" (include "weathervane.endpoint" .)
  "bucket" .Values.store.bucket
  "region" .Values.store.region
  "tracking_uri" (include "weathervane.trackingUri" .)
  "services" .Values.services
-}}
{{- if not .Values.store.minio.enabled }}
{{- $secret := required "store.external.secret: name the Secret with the roles' keys" .Values.store.external.secret }}
{{- $_ := merge $site (dict "own_store" false "store_secret" $secret) }}
{{- end }}
{{- if not .Values.mlflow.enabled }}
{{- $_ := merge $site (dict "own_tracking" false "tracking_secret" .Values.mlflow.external.secret) }}
{{- else if .Values.mlflow.database.secret }}
{{- $_ := set $site "database_secret" .Values.mlflow.database.secret }}
{{- end }}
{{- with .Values.tuning.database.secret }}
{{- $_ := set $site "studies_secret" . }}
{{- end }}
{{- toJson $site }}
{{- end }}

{{/* One entry of an environment, out of a Secret. */}}
{{- define "weathervane.fromSecret" -}}
- name: {{ .name }}
  valueFrom:
    secretKeyRef:
      name: {{ .secret }}
      key: {{ .key | default .name }}
{{- end }}

{{/*
The predictor's runtime. Its name holds the hash of this, so that no upgrade changes one that serves.
*/}}
{{- define "weathervane.runtimeSpec" -}}
annotations:
  prometheus.kserve.io/port: "8080"
  prometheus.kserve.io/path: /metrics
supportedModelFormats:
  - name: weathervane
    version: "1"
    autoSelect: true
protocolVersions: [v1, v2, grpc-v2]
containers:
  - name: kserve-container
    image: {{ include "weathervane.image" (dict "root" . "which" "predictor") }}
    imagePullPolicy: {{ .Values.images.pullPolicy }}
    args:
      - --package=/mnt/models
      - --name={{ "{{.Name}}" }}
      - --http-port=8080
      - --grpc-port=8081
    {{- if eq .Values.mode "Standard" }}
    env:
      # Knative names its revisions to their pods; in this mode a Deployment's own label does.
      - name: WEATHERVANE_REVISION
        valueFrom:
          fieldRef:
            fieldPath: metadata.labels['pod-template-hash']
    {{- end }}
    ports:
      - name: http1
        containerPort: 8080
        protocol: TCP
    # Ready only when the golden pictures are answered as the SavedModel did.
    readinessProbe:
      httpGet:
        path: /v2/health/ready
        port: 8080
      periodSeconds: 2
      failureThreshold: 2
    livenessProbe:
      httpGet:
        path: /v2/health/live
        port: 8080
      periodSeconds: 10
      failureThreshold: 3
    resources: {{- toYaml .Values.predictor.resources | nindent 8 }}
    securityContext:
      allowPrivilegeEscalation: false
      readOnlyRootFilesystem: true
      runAsNonRoot: true
      runAsUser: 65532
      capabilities:
        drop: [ALL]
      seccompProfile:
        type: RuntimeDefault
{{- end }}

{{- define "weathervane.runtimeName" -}}
weathervane-{{ include "weathervane.runtimeSpec" . | sha256sum | trunc 8 }}
{{- end }}
