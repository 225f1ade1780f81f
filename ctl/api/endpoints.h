// What each request of the API does. Paths, methods and permissions are checked by routes.cc.
#pragma once

#include <string>

#include "ctl/api/message.h"
#include "ctl/api/target.h"
#include "ctl/api/turns.h"
#include "ctl/daemon/daemon.h"

namespace fairlead::api {

struct Call {
    daemon::Daemon& daemon;
    Turns& turns;
    const Request& request;
    const Target& target;
    std::string service;  // of the path, where it names one
    std::string backend;
};

void get_status(const Call& call, const Respond& respond);
void get_node(const Call& call, const Respond& respond);
void get_version(const Call& call, const Respond& respond);
void get_services(const Call& call, const Respond& respond);
void get_service(const Call& call, const Respond& respond);
void get_backends(const Call& call, const Respond& respond);
void get_health(const Call& call, const Respond& respond);
void get_drops(const Call& call, const Respond& respond);
void get_trace(const Call& call, const Respond& respond);
void get_backend(const Call& call, const Respond& respond);

void add_backend(const Call& call, const Respond& respond);
void patch_backend(const Call& call, const Respond& respond);
void delete_backend(const Call& call, const Respond& respond);
void patch_node(const Call& call, const Respond& respond);
void post_reload(const Call& call, const Respond& respond);

}  // namespace fairlead::api
