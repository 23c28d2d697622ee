{{/* Names are cut so that the number of a pod and the ending of a service still fit into 63 characters. */}}
{{- define "kvc.name" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "kvc.peersService" -}}
{{ include "kvc.name" . }}-peers
{{- end -}}

{{- define "kvc.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "kvc.labels" -}}
{{ include "kvc.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "kvc.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{/* Where a pod is reached: its name, which it keeps, below the service of the members. */}}
{{- define "kvc.address" -}}
{{ include "kvc.name" .root }}-{{ .ordinal }}.{{ include "kvc.peersService" .root }}.{{ .root.Release.Namespace }}.svc.{{ .root.Values.clusterDomain }}:{{ .root.Values.port }}
{{- end -}}

{{/* The configuration file of one pod: what the chart knows over what the values say. */}}
{{- define "kvc.config" -}}
{{- $values := .root.Values -}}
{{- $root := .root -}}
{{- $peers := list -}}
{{- range $ordinal := untilStep 1 (int (add1 $values.replicas)) 1 -}}
{{- $peers = append $peers (include "kvc.address" (dict "root" $root "ordinal" $ordinal)) -}}
{{- end -}}
{{- $given := get $values.memberIds (toString .ordinal) -}}
{{- $own := dict
  "addr" (printf "%s:%d" $values.listenHost (int $values.port))
  "advertise_addr" (include "kvc.address" .)
  "raft" (dict
    "id" (int (default .ordinal $given))
    "data_dir" "/data"
    "peers" $peers
    "cluster_state" (ternary "existing" $values.clusterState (not (empty $given)))) -}}
{{- mergeOverwrite (deepCopy $values.config) $own | toYaml -}}
{{- end -}}
