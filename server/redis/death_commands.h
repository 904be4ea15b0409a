// SPDX-License-Identifier: MIT
// DeathCommands: when a key is to die, said and asked after.
//
// Threads: the door's one.
#pragma once

namespace onced::redis {

struct Call;

void RunExpire(Call& call);
void RunPExpire(Call& call);
void RunExpireAt(Call& call);
void RunPExpireAt(Call& call);
void RunPersist(Call& call);
void RunTtl(Call& call);
void RunPTtl(Call& call);
void RunExpireTime(Call& call);
void RunPExpireTime(Call& call);

}  // namespace onced::redis
