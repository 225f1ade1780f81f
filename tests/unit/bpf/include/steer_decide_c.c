#include "tests/unit/bpf/include/steer_decide_c.h"

#include <string.h>

#include "bpf/include/steer_decide.h"

static const struct steer_service* find_service(const struct SteerMaps* maps,
                                                const __u8* ip,
                                                const struct steer_packet* packet) {
    struct steer_service_key key = {.port = packet->destination_port, .protocol = packet->protocol};
    if (packet->is_v6) {
        memcpy(key.vip, ip + 24, 16);
    } else {
        key.vip[10] = 0xFF;
        key.vip[11] = 0xFF;
        memcpy(key.vip + 12, ip + 16, 4);
    }
    const struct steer_service* service = maps->find(maps->services, &key);
    if (!service) {
        key.port = 0;
        service = maps->find(maps->services, &key);
    }
    return service;
}

static int find_way(const struct SteerMaps* maps,
                    const struct steer_service* service,
                    const __u8* ip,
                    const struct steer_packet* packet,
                    struct steer_way* way) {
    const __u64 hash = steer_flow_hash(service->seed, ip, packet);
    const __u16 owner = maps->rings[service->ring].slots[steer_slot(service, ip, packet, hash)];
    if (!steer_may_follow(owner, packet)) {
        return 0;
    }
    const struct steer_backend* backend = &maps->backends[owner & STEER_SLOT_BACKEND];
    const struct steer_port* port =
        &maps->ports[(backend->word >> STEER_BACKEND_PORT_SHIFT) & STEER_BACKEND_PORT_MASK];
    return steer_plan_way(packet, service, backend, port, hash, 0, way);
}

__u32 steer_forward(const struct SteerMaps* maps, __u8* frame, __u32 bytes, __u8** start) {
    struct steer_packet packet;
    struct steer_way way;
    __u8* ip = frame + STEER_ETHERNET_BYTES;
    if (bytes < STEER_ETHERNET_BYTES) {
        return 0;
    }
    const __u16 type = steer_load16(frame + 12);
    if ((type != 0x0800 && type != 0x86DD) ||
        !steer_read_packet(ip, frame + bytes, type == 0x86DD, &packet)) {
        return 0;
    }
    const struct steer_service* service = find_service(maps, ip, &packet);
    if (!service || service->kind != STEER_SERVICE_FORWARDED ||
        !find_way(maps, service, ip, &packet, &way)) {
        return 0;
    }
    if (way.outer_bytes != 0) {
        steer_pass_hop(ip, packet.is_v6);
    }
    const int growth =
        (int)(STEER_ETHERNET_BYTES + (way.tag ? STEER_TAG_BYTES : 0) + way.outer_bytes) -
        STEER_ETHERNET_BYTES;
    *start = frame - growth;
    const __u32 grown = bytes + (__u32)growth;
    const __u32 left = grown > way.frame_bytes ? way.frame_bytes : grown;
    return steer_write_frame(*start, *start + left, type, &way) ? left : 0;
}
