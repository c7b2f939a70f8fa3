import * as z from 'zod'

/** Of a service, what this driver reads; the rest of its spec is sent back as it came (Docker Engine API 1.41, definition Service). */
export const serviceSchema = z.object({
  ID: z.string(),
  Version: z.object({ Index: z.int() }),
  /** What it was before its last change, a rollback among them. */
  PreviousSpec: z.object({ Labels: z.record(z.string(), z.string()).nullish() }).nullish(),
  Spec: z.looseObject({
    Name: z.string(),
    Labels: z.record(z.string(), z.string()).nullish(),
    TaskTemplate: z.looseObject({ ContainerSpec: z.looseObject({ Image: z.string() }).optional() }),
    Mode: z.looseObject({ Replicated: z.looseObject({ Replicas: z.int().optional() }).optional() }).optional(),
  }),
})
export type Service = z.infer<typeof serviceSchema>

/** Of a task, what this driver reads (Docker Engine API 1.41, definition Task). Times are RFC 3339. */
export const taskSchema = z.object({
  ID: z.string(),
  ServiceID: z.string().optional(),
  /** From 1 on. */
  Slot: z.int().optional(),
  NodeID: z.string().optional(),
  CreatedAt: z.string().optional(),
  DesiredState: z.string().optional(),
  Spec: z
    .object({
      ContainerSpec: z
        .object({
          Labels: z.record(z.string(), z.string()).nullish(),
          Mounts: z.array(z.object({ Source: z.string().default(''), Target: z.string() })).nullish(),
        })
        .optional(),
    })
    .optional(),
  Status: z.object({
    State: z.string(),
    /** Since when it is in this state. */
    Timestamp: z.string().optional(),
    Message: z.string().optional(),
    Err: z.string().optional(),
    ContainerStatus: z.object({ ContainerID: z.string().optional(), ExitCode: z.int().optional() }).nullish(),
  }),
})
export type Task = z.infer<typeof taskSchema>

/** Of a node, what this driver reads (Docker Engine API 1.41, definition Node). */
export const nodeSchema = z.object({
  ID: z.string(),
  Spec: z.object({ Availability: z.string().optional() }).optional(),
  Status: z.object({ State: z.string().optional() }).optional(),
  Description: z.object({ Resources: z.object({ NanoCPUs: z.number().optional() }).optional() }).optional(),
})
export type Node = z.infer<typeof nodeSchema>
