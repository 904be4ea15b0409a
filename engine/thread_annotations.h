// SPDX-License-Identifier: MIT
// The clang thread-safety attributes this project uses, and no others. Empty on other compilers.
// The `tidy` preset turns every violation into an error.
#pragma once

#if defined(__clang__)
#define ONCED_THREAD_ATTRIBUTE(x) __attribute__((x))
#else
#define ONCED_THREAD_ATTRIBUTE(x)
#endif

#define CAPABILITY(x) ONCED_THREAD_ATTRIBUTE(capability(x))
#define SCOPED_CAPABILITY ONCED_THREAD_ATTRIBUTE(scoped_lockable)
#define GUARDED_BY(x) ONCED_THREAD_ATTRIBUTE(guarded_by(x))
#define REQUIRES(...) ONCED_THREAD_ATTRIBUTE(requires_capability(__VA_ARGS__))
#define ACQUIRE(...) ONCED_THREAD_ATTRIBUTE(acquire_capability(__VA_ARGS__))
#define RELEASE(...) ONCED_THREAD_ATTRIBUTE(release_capability(__VA_ARGS__))
#define TRY_ACQUIRE(...) ONCED_THREAD_ATTRIBUTE(try_acquire_capability(__VA_ARGS__))
#define EXCLUDES(...) ONCED_THREAD_ATTRIBUTE(locks_excluded(__VA_ARGS__))
#define NO_THREAD_SAFETY_ANALYSIS ONCED_THREAD_ATTRIBUTE(no_thread_safety_analysis)
