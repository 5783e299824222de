/* SPDX-License-Identifier: MIT
 *
 * The ways to serve a null disk, which answers every request at once.
 */
#ifndef FLOOR_NULL_SERVE_H
#define FLOOR_NULL_SERVE_H

#include "ublk_server.h"

serve_fn null_serve_tags;      /* a command per tag: copy, user-copy and auto */
serve_fn null_serve_zero_copy; /* the same, and two more to register and release a request's pages */
serve_fn null_serve_batch;     /* commands for many tags at once: copy and auto */

#endif
